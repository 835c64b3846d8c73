// The explorer as a person meets it, in headless Chromium: it loads from our server alone, the tabs run, the docs read,
// signing out and in works. Leaves docs/graphiql.png. Run as `npm run browser -- http://127.0.0.1:8000` with the demo
// tenant's API key in LANDLORD_API_KEY. It opens a ticket and ends the page's session: `make browser` starts a server
// for it alone.
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';

const [url] = process.argv.slice(2);
const apiKey = process.env.LANDLORD_API_KEY;
if (!url || !apiKey) {
  console.error('usage: LANDLORD_API_KEY=lz_... npm run browser -- http://127.0.0.1:8000');
  process.exit(2);
}
const origin = new URL(url).origin;
const SCREENSHOT = new URL('../../docs/graphiql.png', import.meta.url).pathname;

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking', '--no-first-run'],
});
const page = await browser.newPage({ viewport: { width: 1400, height: 900 }, colorScheme: 'light' });
page.setDefaultTimeout(60_000);

const requests = [];
const complaints = []; // of the browser: CSP violations, files not found, exceptions
page.on('request', (request) => requests.push(request.url()));
page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
page.on('pageerror', (error) => complaints.push(String(error)));

const result = page.getByLabel('Result Window');
const tab = (name) => page.getByRole('tab', { name: new RegExp(`^${name}`) });

/** Opens the tab of that name and waits until the editor shows its operation. */
async function open(name) {
  await tab(name).getByRole('button', { name, exact: true }).click();
  await page.locator('.graphiql-query-editor').getByText(new RegExp(`(query|mutation)\\s${name}`)).waitFor();
  await page.waitForTimeout(500); // GraphiQL takes a moment to notice which operation it would run
}

/** Runs the open tab, whose operation has this name, and gives the API's answer once the page shows it. */
async function run(name) {
  const [response] = await Promise.all([
    page.waitForResponse((response) => response.request().postDataJSON()?.operationName === name),
    page.getByRole('button', { name: /^Execute query/ }).click(),
  ]);
  const answer = await response.json();
  await result.locator('.view-line', { hasText: /"(data|errors)"/ }).first().waitFor();
  return answer;
}

/** What a person reads in an editor; Monaco pads with no-break spaces. */
async function text(locator) {
  return (await locator.innerText()).replaceAll('\u00a0', ' ');
}

/** All lists called `errors` anywhere in an answer, the payloads' included, that have something in them. */
function errorsIn(answer) {
  if (Array.isArray(answer)) return answer.flatMap(errorsIn);
  if (answer === null || typeof answer !== 'object') return [];
  return Object.entries(answer).flatMap(([name, value]) => (name === 'errors' ? value : errorsIn(value)));
}

const checks = {
  async 'the page opens on the Dashboard tab, signed in'() {
    await page.goto(`${origin}/graphql`);
    assert.match(await page.title(), /^Landlord/);
    await page.locator('.bar-who').waitFor();
    await page.locator('.graphiql-query-editor').getByText('query Dashboard').waitFor();
    assert.equal(await tab('Dashboard').getAttribute('aria-selected'), 'true');
  },

  async 'the Dashboard tab shows the customer with its year'() {
    const { customer } = (await run('Dashboard')).data;
    assert.equal(customer.name, await page.locator('.bar-who strong').innerText());
    assert.equal(customer.usage.length, 12);
    assert.equal(customer.invoices.nodes.length, 12);
    const bare = customer.invoices.nodes.filter((invoice) => invoice.lines.length === 0);
    assert.deepEqual(bare, []);
    assert.ok(customer.tickets.nodes.length > 0);
    assert.ok(customer.auditEvents.nodes.length > 0);
    const shown = await text(result);
    assert.ok(shown.includes(`"name": "${customer.name}"`), shown);
    assert.ok(shown.includes(`"month": "${customer.usage[0].month}"`), shown);
    assert.ok(!shown.includes('"errors"'), shown);
    await page.mouse.move(700, 20); // or tooltips and scroll bars would be in the picture
    await page.waitForTimeout(2000);
    await page.screenshot({ path: SCREENSHOT });
  },

  async 'the headers of the tab show the session'() {
    await page.getByRole('button', { name: 'Headers', exact: true }).click();
    const headers = page.getByLabel('Headers', { exact: true });
    await headers.getByText('Authorization').waitFor();
    assert.match(await text(headers), /"Authorization": "Bearer \S+/);
    await page.getByRole('button', { name: 'Hide editor tools' }).click();
  },

  async 'every other tab runs without an error'() {
    for (const name of ['Invoices', 'UsageAndPreview', 'AuditTrail', 'WhoAmI', 'OpenTicket']) {
      await open(name);
      const answer = await run(name);
      assert.deepEqual(errorsIn(answer), [], name);
      assert.ok(answer.data, name);
    }
  },

  async 'the docs say what holds everywhere, and show the type Query with its descriptions'() {
    await page.getByRole('button', { name: 'Show Documentation Explorer' }).click();
    const docs = page.getByRole('region', { name: 'Documentation Explorer' });
    await docs.getByText('Connections are newest first').waitFor();
    await docs.getByRole('link', { name: 'Query', exact: true }).click();
    await docs.getByRole('link', { name: 'invoicePreview', exact: true }).waitFor();
    assert.match(await text(docs), /By ID or by number: one of them\./);
    await page.getByRole('button', { name: 'Hide Documentation Explorer' }).click();
  },

  async 'nothing came from another host, and the browser had nothing to complain of'() {
    const foreign = requests.filter((request) => !/^(data|blob):/.test(request) && new URL(request).origin !== origin);
    assert.deepEqual(foreign, []);
    assert.deepEqual(complaints, []);
    assert.ok(requests.some((request) => request.includes('graphql.worker')), 'the editor runs without its worker');
  },

  async 'signed out, the page asks for a key and says what is wrong with a bad one'() {
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByLabel('API key').fill('lz_live_nonsense');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('alert').filter({ hasText: /\w/, hasNotText: 'Signed out' }).waitFor();
    await open('Dashboard');
    const { errors } = await run('Dashboard');
    assert.deepEqual(errors.map((error) => error.extensions.code), ['UNAUTHENTICATED']);
  },

  async 'a key signs in, and the tabs run again'() {
    await page.getByLabel('API key').fill(apiKey);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.locator('.bar-who').waitFor();
    await open('Dashboard');
    assert.equal((await run('Dashboard')).data.customer.usage.length, 12);
  },

  async 'no key and no session is kept in the browser'() {
    const kept = await page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }));
    assert.match(kept, /Dashboard/); // tabs and history are
    assert.doesNotMatch(kept, /Bearer|lz_/);
  },
};

let failed = 0;
for (const [name, check] of Object.entries(checks)) {
  try {
    await check();
    console.log(`ok      ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED  ${name}\n${error.stack}`);
  }
}
await browser.close();
console.log(`${Object.keys(checks).length - failed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
