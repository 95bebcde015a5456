import { defineConfig } from 'vite'
import { bundle } from './vite.shared.ts'

/** The host's own pages, embedded in atekd and served at `/_atek/ui/`. */
export default defineConfig(
  bundle('src/host', 'dist/host', '/_atek/ui/', ['setup.html', 'login.html', 'reset.html'])
)
