/** The pages. Each is a file of its own, fetched when it is first opened. */

import type { Component } from 'svelte'
import type { IconName } from '../lib/icons'
import type { Params } from '../lib/router.svelte'

export interface PageModule {
  default: Component<{ params: Params }>
}

/** A page that looks at no part of its path: it ignores what it is given. */
const plain = (load: () => Promise<{ default: Component<Record<string, never>> }>) =>
  load as unknown as () => Promise<PageModule>

export interface Route {
  path: string
  page: () => Promise<PageModule>
  /** The entry of the navigation that it belongs to. */
  nav: NavName | null
  /** Takes the whole window beside the navigation, without a margin. */
  bleed?: boolean
}

export type NavName =
  | 'home'
  | 'catalogue'
  | 'install'
  | 'updates'
  | 'permissions'
  | 'sharing'
  | 'devices'
  | 'backups'
  | 'users'
  | 'system'
  | 'account'

export interface NavItem {
  name: NavName
  href: string
  icon: IconName
  admin?: boolean
  /** In the bar of a narrow screen; the others are under "More". */
  first?: boolean
}

export const navigation: readonly NavItem[] = [
  { name: 'home', href: '/', icon: 'home', first: true },
  { name: 'catalogue', href: '/p/catalogue', icon: 'apps' },
  { name: 'install', href: '/p/install', icon: 'plus', first: true },
  { name: 'updates', href: '/p/updates', icon: 'download' },
  { name: 'permissions', href: '/p/permissions', icon: 'shield' },
  { name: 'sharing', href: '/p/sharing', icon: 'globe' },
  { name: 'devices', href: '/p/devices', icon: 'device' },
  { name: 'backups', href: '/p/backups', icon: 'copy', admin: true },
  { name: 'users', href: '/p/users', icon: 'users', admin: true },
  { name: 'system', href: '/p/system', icon: 'system', first: true },
  { name: 'account', href: '/p/account', icon: 'user', first: true }
]

export const routes: readonly Route[] = [
  { path: '/', page: plain(() => import('./pages/Launcher.svelte')), nav: 'home' },
  { path: '/app/:id', page: () => import('./pages/Frame.svelte'), nav: 'home', bleed: true },
  { path: '/app/:id/*', page: () => import('./pages/Frame.svelte'), nav: 'home', bleed: true },
  { path: '/p/catalogue', page: plain(() => import('./pages/Catalogue.svelte')), nav: 'catalogue' },
  { path: '/p/install', page: plain(() => import('./pages/Install.svelte')), nav: 'install' },
  { path: '/p/apps/:id', page: () => import('./pages/App.svelte'), nav: 'home' },
  { path: '/p/apps/:id/:tab', page: () => import('./pages/App.svelte'), nav: 'home' },
  { path: '/p/updates', page: plain(() => import('./pages/Updates.svelte')), nav: 'updates' },
  { path: '/p/permissions', page: plain(() => import('./pages/Permissions.svelte')), nav: 'permissions' },
  { path: '/p/sharing', page: plain(() => import('./pages/Sharing.svelte')), nav: 'sharing' },
  { path: '/p/devices', page: plain(() => import('./pages/Devices.svelte')), nav: 'devices' },
  { path: '/p/activity', page: () => import('./pages/Activity.svelte'), nav: 'permissions' },
  { path: '/p/activity/:id', page: () => import('./pages/Activity.svelte'), nav: 'permissions' },
  { path: '/p/backups', page: plain(() => import('./pages/Backups.svelte')), nav: 'backups' },
  { path: '/p/users', page: plain(() => import('./pages/Users.svelte')), nav: 'users' },
  { path: '/p/account', page: plain(() => import('./pages/Account.svelte')), nav: 'account' },
  { path: '/p/databases', page: () => import('./pages/Databases.svelte'), nav: 'system' },
  { path: '/p/databases/*', page: () => import('./pages/Databases.svelte'), nav: 'system' },
  { path: '/p/system', page: plain(() => import('./pages/System.svelte')), nav: 'system' }
]

/** Paths that belong to the host, not to a page of ours. */
export const isOurs = (path: string) => path !== '/_atek' && !path.startsWith('/_atek/')
