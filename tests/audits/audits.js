// GraphQL over HTTP to the letter: all 61 server audits of `graphql-http` pass, SHOULDs and MAYs too.
// Run as `npm run audits -- http://127.0.0.1:8000` with an API key in LANDLORD_API_KEY; `make audits` starts a server.
import { serverAudits } from 'graphql-http';

// A count of its own: an upgrade that brings other audits is to be looked at, not passed over.
const AUDITS = 61;

const [url] = process.argv.slice(2);
const apiKey = process.env.LANDLORD_API_KEY;
if (!url || !apiKey) {
  console.error('usage: LANDLORD_API_KEY=lz_... npm run audits -- http://127.0.0.1:8000');
  process.exit(2);
}

// The audits know nothing of authentication: each request goes out as they make it, and with the key.
function fetchFn(input, init = {}) {
  const headers = new Headers(init.headers);
  headers.set('Authorization', `Bearer ${apiKey}`);
  return fetch(input, { ...init, headers });
}

const audits = serverAudits({ url: new URL('/graphql', url).href, fetchFn });
let passed = 0;
for (const audit of audits) {
  const { status, reason } = await audit.fn().catch((error) => ({ reason: String(error.cause ?? error) }));
  if (status === 'ok') passed += 1;
  console.log(status === 'ok' ? `ok      ${audit.id}  ${audit.name}` : `FAILED  ${audit.id}  ${audit.name}: ${reason}`);
}
const failed = audits.length - passed;
if (audits.length !== AUDITS) console.log(`The suite has ${audits.length} audits, not ${AUDITS}.`);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed || audits.length !== AUDITS ? 1 : 0);
