// The drawing stays in this browser.
const place = document.getElementById('board')
place.style.height = '97vh'
let saved = null
try {
  saved = JSON.parse(localStorage.getItem('drawing'))
} catch {
  // It begins with an empty board.
}
const board = React.createElement(ExcalidrawLib.Excalidraw, {
  initialData: { elements: saved ?? [] },
  onChange: (elements) => localStorage.setItem('drawing', JSON.stringify(elements))
})
ReactDOM.createRoot(place).render(board)
