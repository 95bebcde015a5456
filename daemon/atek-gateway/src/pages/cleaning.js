// Removes all that a page can of what another app left at this site, then opens the app.
const open = () => location.replace(document.body.dataset.to)
const erase = name =>
  new Promise(resolve => {
    const request = indexedDB.deleteDatabase(name)
    request.onsuccess = request.onerror = request.onblocked = resolve
  })
const removals = [
  () => localStorage.clear(),
  () => sessionStorage.clear(),
  async () => Promise.all((await indexedDB.databases()).map(({ name }) => erase(name))),
  // These two are there over HTTPS and at localhost alone.
  async () => Promise.all((await globalThis.caches?.keys() ?? []).map(name => caches.delete(name))),
  async () => {
    const workers = (await navigator.serviceWorker?.getRegistrations()) ?? []
    return Promise.all(workers.map(worker => worker.unregister()))
  }
]
// What a browser refuses to remove it refuses to have.
const all = Promise.allSettled(removals.map(async remove => remove()))
Promise.race([all, new Promise(resolve => setTimeout(resolve, 5000))]).then(open)
