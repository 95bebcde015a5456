import { defineConfig } from 'vite'
import { bundle } from './vite.shared.ts'

/** The home of every user, embedded in the core service `lonestar` and served at `/`. */
export default defineConfig(bundle('src/lonestar', 'dist/lonestar', '/', ['index.html']))
