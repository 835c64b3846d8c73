// The page's requests to the API: GraphiQL's own, and the three the bar needs.
import SIGN_IN from './requests/sign_in.graphql?raw';
import SIGN_OUT from './requests/sign_out.graphql?raw';
import WHO from './requests/who_is_signed_in.graphql?raw';

/** The headers that carry a session; none without one. */
export function headersOf(token) {
  return token ? { Authorization: `Bearer ${token}` } : {};
}

/**
 * What GraphiQL calls to run a document. The headers editor decides what is sent; only where it is empty,
 * or not there yet as on the first introspection, the page's session stands in. `onEnded` is called when the API no
 * longer takes that session.
 */
export function fetcherOf(endpoint, token, onEnded) {
  const session = headersOf(token);
  return async (request, { headers = session } = {}) => {
    const answer = await send(endpoint, request, headers);
    if (token && headers.Authorization === session.Authorization && isUnauthenticated(answer)) onEnded();
    return answer;
  };
}

/** Who the session speaks for, or null when the API does not take it. */
export async function viewerOf(endpoint, token) {
  const answer = await send(endpoint, { query: WHO }, headersOf(token));
  return isUnauthenticated(answer) ? null : dataOf(answer).viewer;
}

/** A session token for an API key. Throws an Error whose message is for people. */
export async function signIn(endpoint, apiKey) {
  const answer = await send(endpoint, { query: SIGN_IN, variables: { apiKey } });
  const { session, errors } = dataOf(answer).createSession;
  if (!session) throw new Error(errors.map((error) => error.message).join(' '));
  return session.token;
}

/** Ends the session everywhere, not on this page alone. Throws as `signIn` does. */
export async function signOut(endpoint, token) {
  const { errors } = dataOf(await send(endpoint, { query: SIGN_OUT }, headersOf(token))).revokeSession;
  if (errors.length) throw new Error(errors.map((error) => error.message).join(' '));
}

async function send(endpoint, request, headers = {}) {
  let response;
  try {
    response = await fetch(endpoint, {
      method: 'POST',
      headers: {
        Accept: 'application/graphql-response+json, application/json;q=0.9',
        'Content-Type': 'application/json',
        ...headers,
      },
      body: JSON.stringify(request),
    });
  } catch {
    throw new Error(`No answer from ${endpoint}: is the server running?`);
  }
  try {
    return await response.json();
  } catch {
    throw new Error(`${endpoint} answered ${response.status} ${response.statusText} without JSON.`);
  }
}

function dataOf(answer) {
  if (answer.errors?.length) throw new Error(answer.errors.map((error) => error.message).join(' '));
  return answer.data;
}

function isUnauthenticated(answer) {
  return Boolean(answer.errors?.some((error) => error.extensions?.code === 'UNAUTHENTICATED'));
}
