// Looks again and again whether the page still says what is so, and loads it again when it does not. A refresh by the
// browser itself would take away what a person reads or has marked.
const PAUSE = 2000
const shown = document.documentElement.dataset.state

async function look() {
  try {
    const asked = { method: 'HEAD', headers: { 'atek-watch': '1' }, cache: 'no-store', redirect: 'manual' }
    const answer = await fetch(location.href, asked)
    if (answer.headers.get('atek-state') !== shown) return location.reload()
  } catch {
    // The box is out of reach for a moment.
  }
  setTimeout(look, PAUSE)
}

setTimeout(look, PAUSE)

// In a frame the box's own pages do not open. The page around it leads to them.
if (self !== top) document.querySelector('nav')?.remove()
