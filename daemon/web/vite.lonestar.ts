import { defineConfig } from 'vite'
import { bundle } from './vite.shared.ts'

/** What the first page is made of, and what is fetched when another page is first opened. */
const groups = [
  {
    name: 'home',
    test: /node_modules|\/src\/lib\/(?!api\/(databases|users))|pages\/(Launcher|NotFound)|\/lonestar\/[^/]+$/,
    priority: 2
  },
  { name: 'pages', test: /\/lonestar\/(pages|parts)\//, priority: 1 }
]

/** The home of every user, embedded in the core service `lonestar` and served at `/`. */
export default defineConfig(bundle('src/lonestar', 'dist/lonestar', '/', ['index.html'], groups))
