import type { apps as english } from '../en/apps'

export const apps: typeof english = {}
