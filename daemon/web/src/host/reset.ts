import { mount } from 'svelte'
import '../styles/tokens.css'
import '../styles/base.css'
import { language } from '../lib/language.svelte'
import { apply } from '../lib/theme.svelte'
import Reset from './Reset.svelte'

apply()
document.documentElement.lang = language.current
const target = document.getElementById('app')
if (target) mount(Reset, { target })
