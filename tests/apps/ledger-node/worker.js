// Writes what is in the queue into the database, one entry after the other.
const { sql, redis } = require('./stores.js')

const work = async () => {
  await sql('create table if not exists entries (at serial primary key, text text)')
  console.log('the worker is ready')
  for (;;) {
    const [, text] = await redis('BRPOP', 'entries', '0')
    await sql(`insert into entries (text) values ('${text.replaceAll("'", "''")}')`)
  }
}

work().catch((error) => {
  console.error(error)
  process.exit(1)
})
