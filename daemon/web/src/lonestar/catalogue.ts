/** Finding recipes among those that the box has. No DOM. */

import { categories, type Category, type Recipe } from '../lib/api/catalogue'

/** The sentence about a recipe in a language, or in English. */
export const summary = (recipe: Recipe, language: string) =>
  recipe.summary[language] ?? recipe.summary['en'] ?? ''

/** Recipes that have all the words and the category, if one is chosen; in the order in which they came. */
export function find(recipes: readonly Recipe[], typed: string, category: Category | null): Recipe[] {
  const words = fold(typed).split(/\s+/).filter(Boolean)
  return recipes.filter((recipe) => {
    if (category && !recipe.categories.includes(category)) return false
    const text = fold([recipe.title, recipe.name, ...Object.values(recipe.summary)].join(' '))
    return words.every((word) => text.includes(word))
  })
}

/** The categories in which there is a recipe. */
export const used = (recipes: readonly Recipe[]) =>
  categories.filter((category) => recipes.some((recipe) => recipe.categories.includes(category)))

/** The page that installs a recipe. */
export const installPath = (recipe: Recipe) => `/p/install?source=${encodeURIComponent(recipe.sourceUrl)}`

const fold = (text: string) => text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase()
