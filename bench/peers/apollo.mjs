// Apollo Server 5, standalone, with a dataloader for each relation. NODE_ENV is production, as its documentation asks.
import { readFileSync } from 'node:fs'
import { ApolloServer } from '@apollo/server'
import { startStandaloneServer } from '@apollo/server/standalone'
import DataLoader from 'dataloader'
import { auditEvents, begin, comments, customers, end, grouped, invoices, lines, tickets, usage } from './questions.mjs'

// The dataloaders of one request; one for each relation and its arguments.
function loaders (client) {
  const made = new Map()
  return (ask, ...rest) => {
    const name = JSON.stringify([ask.question, ...rest])
    let loader = made.get(name)
    if (loader === undefined) {
      loader = new DataLoader(async keys => grouped(keys, await ask(client, keys, ...rest)))
      made.set(name, loader)
    }
    return loader
  }
}

const resolvers = {
  Query: {
    customer: async (_, __, { client }) => (await customers(client))[0] ?? null,
    auditEvents: async (_, { first }, { client }) => ({ nodes: await auditEvents(client, first) })
  },
  Customer: {
    usage: ({ id }, _, { load }) => load(usage).load(id),
    invoices: async ({ id }, { first }, { load }) => ({ nodes: await load(invoices, first).load(id) }),
    tickets: async ({ id }, { first, filter }, { load }) =>
      ({ nodes: await load(tickets, first, filter?.status ?? null).load(id) })
  },
  Invoice: { lines: ({ id }, _, { load }) => load(lines).load(id) },
  Ticket: {
    comments: async ({ id }, { first }, { load }) => ({ nodes: await load(comments, first).load(id) })
  }
}

const commits = {
  async requestDidStart () {
    return { async willSendResponse ({ contextValue }) { await end(contextValue.client) } }
  }
}

const server = new ApolloServer({
  typeDefs: readFileSync(new URL('schema.graphql', import.meta.url), 'utf8'),
  resolvers,
  plugins: [commits]
})
const { url } = await startStandaloneServer(server, {
  listen: { port: 0, host: '127.0.0.1' },
  context: async ({ req }) => {
    const client = await begin(req.headers['x-customer'])
    return { client, load: loaders(client) }
  }
})
console.log(new URL(url).port)
