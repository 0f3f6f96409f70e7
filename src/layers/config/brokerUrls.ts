/**
 * Several brokers in one URL, as oslo.messaging writes them: `amqp://ann:pw@one:5672,ann:pw@two:5672/vhost` is a URL
 * for each. What is no such text is left for the rules to refuse.
 */

/** The settings that hold brokers. */
const settings = new Set(["broker.urls", "broker.guest_urls", "guestagent.urls"])

const split = (url: string): ReadonlyArray<string> => {
  const [, scheme = "", hosts = "", path = ""] = /^([a-z]+:\/\/)([^/]*)(\/.*)?$/.exec(url) ?? []
  return hosts.includes(",") ? hosts.split(",").map((host) => `${scheme}${host}${path}`) : [url]
}

/** A list that was written with commas in a variable has cut such a URL in pieces: what has no scheme belongs before. */
const mended = (urls: ReadonlyArray<string>) => urls.join(",").split(/,(?=[a-z]+:\/\/)/)

const areTexts = (value: unknown): value is ReadonlyArray<string> =>
  Array.isArray(value) && value.every((item) => typeof item === "string")

export const eachBroker = (setting: string, value: unknown): unknown =>
  settings.has(setting) && areTexts(value) && value.length > 0 ? mended(value).flatMap(split) : value
