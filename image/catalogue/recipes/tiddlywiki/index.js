// What `tiddlywiki --init server` does, once; then the server.
const fs = require('fs')
const path = require('path')

if (!fs.existsSync('wiki')) {
  const edition = path.join(__dirname, 'node_modules/tiddlywiki/editions/server')
  fs.mkdirSync('wiki')
  fs.copyFileSync(path.join(edition, 'tiddlywiki.info'), 'wiki/tiddlywiki.info')
}
const $tw = require('tiddlywiki').TiddlyWiki()
$tw.boot.argv = ['wiki', '--listen', 'port=8080', 'host=127.0.0.1']
$tw.boot.boot()
