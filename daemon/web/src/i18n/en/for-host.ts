/** The texts of the host's own pages. */
export { common } from './common'
export { host } from './host'
export { said } from './said'
export { servers } from './servers'
export { words } from './words'
