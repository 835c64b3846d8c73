// What GraphiQL keeps between visits: tabs, history, settings; never a request's headers, which hold keys and sessions.

// GraphiQL leaves headers out of the tabs it stores, but not out of these two lists.
const HISTORY = /:(queries|favorites)$/;

export const storage = {
  getItem: (key) => localStorage.getItem(key),
  setItem: (key, value) => localStorage.setItem(key, HISTORY.test(key) ? withoutHeaders(value) : value),
  removeItem: (key) => localStorage.removeItem(key),
  clear: () => localStorage.clear(),
  get length() {
    return localStorage.length;
  },
};

function withoutHeaders(json) {
  return JSON.stringify(JSON.parse(json), (name, value) => (name === 'headers' ? undefined : value));
}
