// The text stays in this browser.
const text = document.getElementById('text')
const picture = document.getElementById('picture')
text.value = localStorage.getItem('diagram') ?? 'graph LR\n  Idea --> Drawing'
mermaid.initialize({ startOnLoad: false, securityLevel: 'strict' })

async function draw() {
  localStorage.setItem('diagram', text.value)
  try {
    const { svg } = await mermaid.render('drawn', text.value)
    picture.innerHTML = svg
  } catch (error) {
    picture.textContent = error.message
  }
}

text.addEventListener('input', draw)
draw()
