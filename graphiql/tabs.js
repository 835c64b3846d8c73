// The tabs that the explorer opens with: each runs as it stands on the demo data.
import auditTrail from './queries/audit_trail.graphql?raw';
import dashboard from './queries/dashboard.graphql?raw';
import invoices from './queries/invoices.graphql?raw';
import openTicket from './queries/open_ticket.graphql?raw';
import usageAndPreview from './queries/usage_and_preview.graphql?raw';
import whoAmI from './queries/who_am_i.graphql?raw';

/** GraphiQL names a tab after its operation. `now` decides which month is previewed: the running one, in UTC. */
export function tabs(now) {
  const month = now.toISOString().slice(0, 7);
  return [
    { query: dashboard },
    { query: invoices },
    { query: usageAndPreview, variables: JSON.stringify({ month }, null, 2) },
    { query: auditTrail },
    { query: whoAmI },
    { query: openTicket },
  ];
}
