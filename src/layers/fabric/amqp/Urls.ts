/** Where brokers are: `amqp://user:password@host:port/vhost`, or several hosts in one, separated by commas. */
import { Redacted, Schema } from "effect"

export class BrokerUrlInvalid extends Schema.TaggedError<BrokerUrlInvalid>()("BrokerUrlInvalid", {
  reason: Schema.String
}) {
  override get message() {
    return `A broker's URL cannot be used: ${this.reason}. It looks like amqp://user:password@host:5672/vhost.`
  }
}

/** One broker, with how to log in there. */
export interface BrokerAddress {
  readonly tls: boolean
  readonly host: string
  readonly port: number
  readonly vhost: string
  readonly user: string
  readonly password: Redacted.Redacted
}

const schemes: Readonly<Record<string, boolean>> = { "amqp:": false, "rabbit:": false, "amqps:": true }

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new BrokerUrlInvalid({ reason: "what is written with % in it cannot be read" })
  }
}

const one = (url: URL): BrokerAddress => {
  const tls = schemes[url.protocol]
  if (tls === undefined) throw new BrokerUrlInvalid({ reason: `its scheme is ${url.protocol.replace(":", "")}` })
  if (url.hostname === "") throw new BrokerUrlInvalid({ reason: "it names no host" })
  return {
    tls,
    host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port: url.port === "" ? (tls ? 5671 : 5672) : Number(url.port),
    vhost: url.pathname.length <= 1 ? "/" : decoded(url.pathname.slice(1)),
    user: url.username === "" ? "guest" : decoded(url.username),
    password: Redacted.make(url.password === "" ? "guest" : decoded(url.password))
  }
}

/** Every broker of a URL. Throws `BrokerUrlInvalid`, which tells nothing of its password. */
export const parseUrl = (redacted: Redacted.Redacted): ReadonlyArray<BrokerAddress> => {
  const parts = /^([a-z]+:)\/\/([^/]*)(\/.*)?$/i.exec(Redacted.value(redacted))
  if (parts === null) throw new BrokerUrlInvalid({ reason: "it is no URL" })
  const [, scheme = "", hosts = "", path = ""] = parts
  return hosts.split(",").map((host) => {
    // A scheme that URL does not know would keep it from reading ports and passwords as it does for http.
    const url = URL.parse(`${scheme}//${host}${path}`)
    if (url === null) throw new BrokerUrlInvalid({ reason: "a host, port or password of it cannot be read" })
    return one(url)
  })
}
