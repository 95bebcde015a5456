import { mount } from 'svelte'
import '../styles/tokens.css'
import '../styles/base.css'
import { language } from '../lib/language.svelte'
import { apply } from '../lib/theme.svelte'
import Lonestar from './Lonestar.svelte'
import { watchForSignOut } from './sign-out'
import { texts } from './texts'

apply()
watchForSignOut()
void language.start(texts).then(() => {
  const target = document.getElementById('app')
  if (target) mount(Lonestar, { target })
})
