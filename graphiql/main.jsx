// The explorer at /graphql: a bar to sign in and out with, and GraphiQL below it.
import 'graphiql/setup-workers/vite';
import 'graphiql/style.css';
import './page.css';
import { DocsIcon } from '@graphiql/react';
import { GraphiQL } from 'graphiql';
import { useEffect, useMemo, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { fetcherOf, headersOf, signIn, signOut, viewerOf } from './api.js';
import { storage } from './storage.js';
import { tabs } from './tabs.js';

const ENDED = 'Your session has ended. Please sign in again.';

// In place of the docs for as long as there is no session to read the schema with.
const CLOSED_DOCS = {
  title: 'Documentation Explorer',
  icon: DocsIcon,
  content: () => <p className="closed-docs">Sign in to read the documentation of every type and field.</p>,
};

// The token lives in this page's memory alone, so a reload asks again.
function Page({ token: given = '', endpoint = '/graphql' }) {
  const [token, setToken] = useState(given);
  const [notice, setNotice] = useState('');
  // What a request of an earlier session finds out too late must not end the present one.
  const end = (why) => {
    setNotice(why);
    setToken((current) => (current === token ? '' : current));
  };
  const fetcher = useMemo(() => fetcherOf(endpoint, token, () => end(ENDED)), [endpoint, token]);
  const examples = useMemo(() => tabs(new Date()), []);

  return (
    <>
      <header className="bar">
        <img src={`${import.meta.env.BASE_URL}favicon.svg`} alt="" width="26" height="26" />
        <h1>Landlord</h1>
        <span className="bar-what">GraphQL explorer</span>
        {token ? (
          <SignedIn endpoint={endpoint} token={token} onEnded={end} />
        ) : (
          <SignIn endpoint={endpoint} notice={notice} onToken={setToken} />
        )}
      </header>
      <main>
        {/* Another session is another explorer: with its own headers in every tab, and the schema fetched anew. */}
        <GraphiQL
          key={token}
          fetcher={fetcher}
          schema={token ? undefined : null}
          referencePlugin={token ? undefined : CLOSED_DOCS}
          defaultTabs={examples}
          defaultHeaders={token && JSON.stringify(headersOf(token), null, 2)}
          defaultEditorToolsVisibility={false}
          shouldPersistHeaders={false}
          storage={storage}
          schemaDescription
        >
          <GraphiQL.Logo>{null}</GraphiQL.Logo>
        </GraphiQL>
      </main>
    </>
  );
}

function SignIn({ endpoint, notice, onToken }) {
  const [message, setMessage] = useState(notice);
  const [busy, setBusy] = useState(false);

  async function submit(event) {
    event.preventDefault();
    setBusy(true);
    setMessage('');
    try {
      onToken(await signIn(endpoint, new FormData(event.target).get('apiKey').trim()));
    } catch (error) {
      setMessage(error.message);
      setBusy(false);
    }
  }

  return (
    <form className="bar-right" onSubmit={submit}>
      <span className="bar-message" role="alert">
        {message}
      </span>
      <label htmlFor="apiKey">API key</label>
      <input
        id="apiKey"
        name="apiKey"
        type="password"
        placeholder="lz_live_…"
        autoComplete="off"
        spellCheck="false"
        required
        autoFocus
      />
      <button type="submit" disabled={busy}>
        {busy ? 'Signing in…' : 'Sign in'}
      </button>
    </form>
  );
}

function SignedIn({ endpoint, token, onEnded }) {
  const [viewer, setViewer] = useState(null);
  const [message, setMessage] = useState('');

  useEffect(() => {
    viewerOf(endpoint, token).then(
      (found) => (found ? setViewer(found) : onEnded(ENDED)),
      (error) => setMessage(error.message),
    );
  }, [endpoint, token]);

  async function leave() {
    try {
      await signOut(endpoint, token);
      onEnded('Signed out.');
    } catch (error) {
      setMessage(error.message);
    }
  }

  return (
    <div className="bar-right">
      <span className="bar-message" role="alert">
        {message}
      </span>
      {viewer && (
        <span className="bar-who">
          <strong>{viewer.customer?.name ?? 'Operator'}</strong> {viewer.name}
        </span>
      )}
      <button type="button" onClick={leave}>
        Sign out
      </button>
    </div>
  );
}

const settings = JSON.parse(document.getElementById('landlord').textContent);
createRoot(document.getElementById('root')).render(<Page {...settings} />);
