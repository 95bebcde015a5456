// Every page in both languages, on a phone and a desktop, light and dark.

import { everyPage } from '../lib/pages.mjs'
import { story } from '../lib/story.mjs'

story(tools => everyPage(tools, ['en-GB', 'de-DE']))
