// What Apollo Server and mercurius ask the database: one transaction a request, prepared statements, columns named as fields.
import pg from 'pg'

const pool = new pg.Pool({ connectionString: process.env.PEERS_URL, max: Number(process.env.PEERS_CONNECTIONS) })

// A client inside a transaction that knows its tenant.
export async function begin (customer) {
  const client = await pool.connect()
  try {
    await client.query('begin read only')
    await client.query({ name: 'tenant', text: "select set_config('peers.customer_id', $1, true)", values: [customer] })
  } catch (error) {
    client.release(error)
    throw error
  }
  return client
}

export async function end (client) {
  try {
    await client.query('commit')
    client.release()
  } catch (error) {
    client.release(error)
    throw error
  }
}

// A client takes one statement at a time, and loaders ask side by side.
const asked = (question, text) => Object.assign(
  (client, ...values) => {
    const answer = (client.before ?? Promise.resolve()).then(() => client.query({ name: question, text, values }))
    client.before = answer.catch(() => {})
    return answer.then(({ rows }) => rows)
  },
  { question }
)

export const customers = asked('customers', 'select id, name, tier from peers.customers')

export const auditEvents = asked('auditEvents', `
  select id, event_type as "eventType", action, resource_type as "resourceType", resource_id as "resourceId", actor,
         actor_ip as "actorIp", status, request_id as "requestId", created_at as "createdAt"
    from peers.audit_events order by id desc limit $1`)

export const usage = asked('usage', `
  select customer_id as parent, month, account_count as "accountCount", ou_count as "ouCount", scp_count as "scpCount",
         cloudtrail_events as "cloudtrailEvents", config_evaluations as "configEvaluations",
         log_storage_gb as "logStorageGb", nat_bytes_processed as "natBytesProcessed", data_transfer_gb as "dataTransferGb"
    from peers.usage where customer_id = any($1) order by month desc`)

export const invoices = asked('invoices', `
  select of.id as parent, i.id, i.number, i.month, i.status, i.total_amount as "totalAmount"
    from unnest($1::uuid[]) as of (id)
   cross join lateral (select * from peers.invoices i where i.customer_id = of.id order by i.id desc limit $2) as i
   order by i.id desc`)

export const lines = asked('lines', `
  select invoice_id as parent, position, kind, description, quantity, amount
    from peers.invoice_lines where invoice_id = any($1) order by position`)

export const tickets = asked('tickets', `
  select of.id as parent, t.id, t.subject, t.status, t.priority, t.created_at as "createdAt"
    from unnest($1::uuid[]) as of (id)
   cross join lateral (
           select * from peers.tickets t
            where t.customer_id = of.id and ($3::text[] is null or t.status = any($3)) order by t.id desc limit $2
         ) as t
   order by t.id desc`)

export const comments = asked('comments', `
  select of.id as parent, c.id, c.author, c.body, c.created_at as "createdAt"
    from unnest($1::uuid[]) as of (id)
   cross join lateral (select * from peers.ticket_comments c where c.ticket_id = of.id order by c.id desc limit $2) as c
   order by c.id desc`)

// The rows of each key, in the order of the keys.
export function grouped (keys, rows) {
  const found = new Map(keys.map(key => [key, []]))
  for (const row of rows) found.get(row.parent).push(row)
  return keys.map(key => found.get(key))
}
