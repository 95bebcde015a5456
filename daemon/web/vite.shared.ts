import { svelte } from '@sveltejs/vite-plugin-svelte'
import { readdirSync } from 'node:fs'
import { resolve } from 'node:path'
import type { UserConfig } from 'vite'

const at = (path: string) => resolve(import.meta.dirname, path)

/** A file that holds several modules; those of a greater priority take first what they need. */
type Group = { name: string; test: RegExp; priority: number }

/** A file a language; `web-embed` knows them by this name, for a browser fetches one of them. */
const languages: Group[] = readdirSync(at('src/i18n'), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => ({ name: `language-${name}`, test: new RegExp(`/i18n/${name}/`), priority: 9 }))

/**
 * What both bundles have in common. `root` is the folder of their HTML pages; `groups` are put into one file each, which
 * compresses better than many.
 */
export function bundle(
  root: string,
  outDir: string,
  base: string,
  pages: string[],
  groups: Group[] = []
): UserConfig {
  return {
    root: at(root),
    base,
    publicDir: at(`public/${root.split('/').pop()}`),
    plugins: [svelte({ configFile: at('svelte.config.js') })],
    build: {
      outDir: at(outDir),
      emptyOutDir: true,
      // The policy of the pages allows no data: script or font, and no inline style.
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      reportCompressedSize: true,
      rolldownOptions: {
        input: pages.map((page) => at(`${root}/${page}`)),
        output: { codeSplitting: { groups: [...languages, ...groups] } }
      }
    },
    server: {
      proxy: { '/_atek/gateway': box(), '/_atek/logs': box(), '/_atek/jobs': box(), '/_atek/icon': box() }
    }
  }
}

/** `npm run dev` talks to a box that runs already: see README.md. */
function box() {
  const target = process.env.ATEK_BOX ?? 'http://localhost:8080'
  return { target, changeOrigin: true, headers: { origin: target } }
}
