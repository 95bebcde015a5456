// ESLint's own rules; run with the ESLint of daemon/web: `npx eslint --config daemon/hypercore/eslint.config.js`.
export default [
  { ignores: ['**/node_modules/**', 'dist/**'] },
  {
    languageOptions: { ecmaVersion: 2024, sourceType: 'module' },
    rules: {
      eqeqeq: ['error', 'always', { null: 'ignore' }],
      'no-unused-vars': 'error',
      'no-undef': 'off',
      'no-shadow': 'off',
      'no-var': 'error',
      'prefer-const': 'error',
      'max-lines-per-function': ['error', { max: 80, skipComments: true, skipBlankLines: true }],
      'max-lines': ['error', 1000]
    }
  },
  { files: ['clients/hyperswarm/*.js'], languageOptions: { sourceType: 'commonjs' } },
  { files: ['test/**'], rules: { 'max-lines-per-function': 'off' } }
]
