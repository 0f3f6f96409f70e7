/**
 * Members in network namespaces of their own, whose links can be cut in either direction. Each has a pair of virtual
 * interfaces; what they ask of this machine (broker, database) they reach at one address of it, where ports of its
 * loopback are forwarded. Ends with nothing left of it.
 */
import { execFile, execFileSync } from "node:child_process"
import { connect, createServer, type Server } from "node:net"
import { promisify } from "node:util"
import { ensurePackages, type Requirement } from "../support/packages.ts"
import { errorText } from "./wording.ts"

const run = promisify(execFile)

const tools: Requirement = {
  name: "ip and iptables",
  probe: ["/bin/sh", "-ec", "command -v ip; command -v iptables; command -v nsenter; command -v setpriv"],
  packages: ["iproute2", "iptables", "util-linux"]
}

export type Direction = "in" | "out" | "both"

export interface Namespace {
  readonly name: string
  /** At which the machine reaches it. */
  readonly address: string
  /** What its databases may listen on, "10.215.7.0/24". */
  readonly databases: string
  /** Put before a command, it runs there. */
  readonly enter: ReadonlyArray<string>
  /** Whatever would come in, go out, or both, is dropped. */
  readonly cut: (direction: Direction) => Promise<void>
  readonly mend: () => Promise<void>
}

export class Network {
  /** At which those in namespaces reach this machine. */
  readonly address: string
  readonly #block: number
  readonly #namespaces: Array<string> = []
  readonly #forwarders: Array<Server> = []
  readonly #routes: Array<string> = []

  private constructor(block: number) {
    this.#block = block
    this.address = `10.213.${block}.254`
  }

  /** The reason where this machine cannot do it. */
  static async make(): Promise<Network | { readonly missing: string }> {
    if (process.platform !== "linux" || process.getuid?.() !== 0) return { missing: "only root on Linux can" }
    const missing = await ensurePackages(tools)
    if (missing !== null) return { missing }
    const { stdout } = await run("ip", ["-o", "addr"])
    const free = Array.from({ length: 200 }, (_, n) => (process.pid + n) % 200).find(
      (block) => !stdout.includes(`10.213.${block}.`)
    )
    const network = new Network(free ?? 0)
    process.once("exit", network.#clear)
    try {
      await run("ip", ["addr", "add", `${network.address}/32`, "dev", "lo"])
      const { cut, mend } = await network.namespace()
      await cut("both")
      await mend()
      return network
    } catch (error) {
      network.dispose()
      return { missing: errorText(error) }
    }
  }

  async namespace(): Promise<Namespace> {
    const number = this.#namespaces.length
    const [block, first] = [this.#block, 4 * number]
    const name = `coffer-chaos-${block}-${number}`
    const [outer, inner] = [`cof${block}x${number}`, `cof${block}y${number}`]
    const [near, address] = [`10.213.${block}.${first + 1}`, `10.213.${block}.${first + 2}`]
    const databases = `10.${214 + number}.${block}.0/24`
    this.#namespaces.push(name)
    const enter = ["nsenter", `--net=/run/netns/${name}`]
    const inside = (...args: ReadonlyArray<string>) => run("nsenter", [`--net=/run/netns/${name}`, ...args])
    await run("ip", ["netns", "add", name])
    await run("ip", ["link", "add", outer, "type", "veth", "peer", "name", inner, "netns", name])
    await run("ip", ["addr", "add", `${near}/30`, "dev", outer])
    await run("ip", ["link", "set", outer, "up"])
    await inside("ip", "link", "set", "lo", "up")
    await inside("ip", "addr", "add", `${address}/30`, "dev", inner)
    await inside("ip", "link", "set", inner, "up")
    await inside("ip", "route", "add", "default", "via", near)
    await inside("ip", "route", "add", "local", databases, "dev", "lo")
    await run("ip", ["route", "add", databases, "via", address])
    this.#routes.push(databases)
    const drop = (chain: "INPUT" | "OUTPUT", flag: "-i" | "-o") =>
      inside("iptables", "-w", "-I", chain, flag, inner, "-j", "DROP")
    const admit = (chain: "INPUT" | "OUTPUT", flag: "-i" | "-o") =>
      inside("iptables", "-w", "-D", chain, flag, inner, "-j", "DROP").catch(() => null)
    return {
      name,
      address,
      databases,
      enter,
      cut: async (direction) => {
        if (direction !== "out") await drop("INPUT", "-i")
        if (direction !== "in") await drop("OUTPUT", "-o")
      },
      mend: async () => {
        await admit("INPUT", "-i")
        await admit("OUTPUT", "-o")
      }
    }
  }

  /** That port of this machine's loopback is had at `address` as well. */
  forward(port: number) {
    const server = createServer((far) => {
      const near = connect(port, "127.0.0.1")
      for (const [one, other] of [
        [far, near],
        [near, far]
      ] as const) {
        one.on("error", () => other.destroy())
        one.on("close", () => other.destroy())
        one.pipe(other)
      }
    })
    this.#forwarders.push(server)
    return new Promise<void>((resolve, reject) => {
      server.once("error", reject)
      server.listen(port, this.address, () => resolve())
    })
  }

  dispose() {
    this.#clear()
    process.off("exit", this.#clear)
  }

  readonly #clear = () => {
    for (const server of this.#forwarders.splice(0)) server.close()
    const attempt = (...args: ReadonlyArray<string>) => {
      try {
        execFileSync("ip", args, { stdio: "ignore" })
      } catch {
        // it is not there
      }
    }
    for (const route of this.#routes.splice(0)) attempt("route", "del", route)
    for (const [number, name] of this.#namespaces.entries()) {
      attempt("link", "del", `cof${this.#block}x${number}`)
      attempt("netns", "del", name)
    }
    this.#namespaces.splice(0)
    attempt("addr", "del", `${this.address}/32`, "dev", "lo")
  }
}
