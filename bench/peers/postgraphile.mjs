// PostGraphile 5 with its recommended preset, over the views of views.sql; NODE_ENV and GRAPHILE_ENV are production.
import { createServer } from 'node:http'
import { postgraphile } from 'postgraphile'
import { makePgService } from 'postgraphile/adaptors/pg'
import { grafserv } from 'postgraphile/grafserv/node'
import { PostGraphileAmberPreset } from 'postgraphile/presets/amber'

const preset = {
  extends: [PostGraphileAmberPreset],
  pgServices: [makePgService({
    connectionString: process.env.PEERS_URL,
    schemas: ['peers'],
    poolConfig: { max: Number(process.env.PEERS_CONNECTIONS) }
  })],
  grafast: {
    context: ({ node }) => ({ pgSettings: { 'peers.customer_id': node.req.headers['x-customer'] } })
  },
  schema: { defaultBehavior: '+connection +list' }, // plain lists too, where our API has them
  grafserv: { watch: false, graphiql: false }
}

const server = createServer()
const serv = postgraphile(preset).createServ(grafserv)
await serv.addTo(server)
server.listen(0, '127.0.0.1', () => console.log(server.address().port))
