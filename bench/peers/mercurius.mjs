// mercurius on Fastify, with its loaders and its JIT from the first request on.
import { readFileSync } from 'node:fs'
import Fastify from 'fastify'
import mercurius from 'mercurius'
import { auditEvents, begin, comments, customers, end, grouped, invoices, lines, tickets, usage } from './questions.mjs'

// One batch may hold parents asked with different arguments: as many statements as there are of those.
const batch = (ask, rest = () => [], shape = rows => rows) => async (queries, { client }) => {
  const kinds = new Map()
  for (const { obj, params } of queries) {
    const values = rest(params)
    const name = JSON.stringify(values)
    if (!kinds.has(name)) kinds.set(name, { values, keys: [] })
    kinds.get(name).keys.push(obj.id)
  }
  const answers = new Map()
  for (const [name, { values, keys }] of kinds) {
    const found = grouped(keys, await ask(client, keys, ...values))
    answers.set(name, new Map(keys.map((key, at) => [key, shape(found[at])])))
  }
  return queries.map(({ obj, params }) => answers.get(JSON.stringify(rest(params))).get(obj.id))
}
const nodes = rows => ({ nodes: rows })

const app = Fastify()
app.register(mercurius, {
  schema: readFileSync(new URL('schema.graphql', import.meta.url), 'utf8'),
  resolvers: {
    Query: {
      customer: async (_, __, { client }) => (await customers(client))[0] ?? null,
      auditEvents: async (_, { first }, { client }) => ({ nodes: await auditEvents(client, first) })
    }
  },
  loaders: {
    Customer: {
      usage: batch(usage),
      invoices: batch(invoices, ({ first }) => [first], nodes),
      tickets: batch(tickets, ({ first, filter }) => [first, filter?.status ?? null], nodes)
    },
    Invoice: { lines: batch(lines) },
    Ticket: { comments: batch(comments, ({ first }) => [first], nodes) }
  },
  jit: 1,
  context: async request => ({ client: await begin(request.headers['x-customer']) })
})
await app.ready()
app.graphql.addHook('onResolution', async (_, { client }) => { await end(client) })
await app.listen({ port: 0, host: '127.0.0.1' })
console.log(app.server.address().port)
