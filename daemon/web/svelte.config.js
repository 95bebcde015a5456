/** Svelte's compiler, for Vite, svelte-check and editors alike. */
export default {
  compilerOptions: {
    runes: true,
    // Hashes of the file's place: the same sources give the same bundle on every machine.
    cssHash: ({ hash, filename }) => `s-${hash(filename.replace(/^.*\/src\//, ''))}`
  }
}
