/**
 * An internet with a DHT, and networks behind routers that translate addresses and let nothing in: namespaces of this machine, as root.
 * The booted homes' own is tests/src/neighbourhood.rs.
 */

import { execFileSync, spawn, spawnSync } from 'node:child_process'
import readline from 'node:readline'
import { fileURLToPath } from 'node:url'

const NODES = [1, 2, 3, 4, 5, 6].map(n => `198.51.100.${n}`)
export const BOOTSTRAP = [{ host: NODES[0], port: 49737 }]
const INTERNET = fileURLToPath(new URL('../../../tests/homes/internet.mjs', import.meta.url))
const MODULES = fileURLToPath(new URL('../node_modules', import.meta.url))

/** Why it cannot be made here; false: it can. */
export const noNeighbourhood = process.getuid() === 0 && ['ip -V', 'nft --version', 'unshare --net true'].every(line => spawnSync('sh', ['-c', line]).status === 0)
  ? false
  : 'namespaces need root, ip and nft'

const run = script => execFileSync('sh', ['-ec', script], { stdio: ['ignore', 'inherit', 'inherit'] })

export class Neighbourhood {
  constructor () {
    this.prefix = `m${process.pid}`
    this.namespaces = []
    this.programs = []
    /** Address outside by network. */
    this.outside = new Map()
  }

  static async open () {
    const made = new Neighbourhood()
    const net = made.namespace('net')
    // With an address of its own: that of a bridge changes otherwise as networks join it, and who knew it reaches nothing for a while.
    run(`ip -n ${net} link add net0 address 02:00:00:00:00:01 type bridge; ip -n ${net} link set net0 up
      ${NODES.map(node => `ip -n ${net} address add ${node}/24 dev net0`).join('\n')}`)
    await made.program('net', [INTERNET, MODULES, ...NODES]).said
    return made
  }

  namespace (name) {
    const full = `${this.prefix}-${name}`
    run(`ip netns add ${full}; ip -n ${full} link set lo up`)
    this.namespaces.push(full)
    return full
  }

  /** A network with one computer, behind a router. */
  network (name) {
    const [own, router, net] = [this.namespace(name), this.namespace(`r-${name}`), `${this.prefix}-net`]
    const port = `w-${name}`.slice(0, 15)
    run(`ip -n ${router} link add wan type veth peer name ${port} netns ${net}
      ip -n ${net} link set ${port} master net0; ip -n ${net} link set ${port} up
      ip -n ${router} link add lan type veth peer name eth0 netns ${own}
      ip -n ${router} link set wan up; ip -n ${router} address add 10.70.0.1/24 dev lan; ip -n ${router} link set lan up
      ip netns exec ${router} sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward'
      ip -n ${own} address add 10.70.0.2/24 dev eth0; ip -n ${own} link set eth0 up; ip -n ${own} route add default via 10.70.0.1`)
    this.move(name)
  }

  /** Gives the router another address outside, as a provider does at night. */
  move (name) {
    const router = `${this.prefix}-r-${name}`
    const address = `198.51.100.${(this.last = (this.last ?? 10) + 1)}/24`
    const old = this.outside.get(name)
    this.outside.set(name, address)
    const closed = hook => `type filter hook ${hook} priority filter; iifname "wan" ct state new drop;`
    run(`ip -n ${router} address flush dev wan; ip -n ${router} address add ${address} dev wan
      ip netns exec ${router} nft '${old ? 'delete table ip home; ' : ''}table ip home { chain out { type nat hook postrouting priority srcnat; oifname "wan" masquerade; }; chain closed { ${closed('forward')} }; chain own { ${closed('input')} }; }'`)
  }

  /**
   * Runs a Node program until the end of this.
   * @returns {{child: import('node:child_process').ChildProcess, said: Promise<string>, next: () => Promise<string>}} `said` is its first line
   */
  program (name, argv) {
    const child = spawn('ip', ['netns', 'exec', `${this.prefix}-${name}`, process.execPath, ...argv], { stdio: ['pipe', 'pipe', 'inherit'] })
    this.programs.push(child)
    const lines = readline.createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    const next = async () => {
      const { value, done } = await lines.next()
      if (done) throw new Error(`${argv[0]} ended`)
      return value
    }
    return { child, said: next(), next }
  }

  async close () {
    await Promise.all(this.programs.map(child => new Promise(resolve => {
      if (child.exitCode !== null || child.signalCode !== null) return resolve()
      child.once('exit', resolve)
      child.kill('SIGKILL')
    })))
    for (const name of this.namespaces) spawnSync('ip', ['netns', 'del', name])
  }
}
