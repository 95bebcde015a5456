// The text stays in this browser.
const place = document.getElementById('editor')
place.style.height = '96vh'
const editor = new JSONEditor(place, {
  modes: ['tree', 'code', 'preview'],
  onChangeText: (text) => localStorage.setItem('json', text)
})
try {
  editor.set(JSON.parse(localStorage.getItem('json') ?? '{}'))
} catch {
  editor.set({})
}
