import { mount } from 'svelte'
import '../styles/tokens.css'
import '../styles/base.css'
import { language } from '../lib/language.svelte'
import { apply } from '../lib/theme.svelte'
import Reset from './Reset.svelte'
import { texts } from './texts'

apply()
void language.start(texts).then(() => {
  const target = document.getElementById('app')
  if (target) mount(Reset, { target })
})
