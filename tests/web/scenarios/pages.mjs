// Every page once, in the language with the longer words and on the smaller screen.

import { everyPage } from '../lib/pages.mjs'
import { story } from '../lib/story.mjs'

story(tools => everyPage(tools, ['de-DE'], { devices: ['phone'], colours: ['dark'] }))
