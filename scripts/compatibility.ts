/** Prints docs/compatibility.md: how far we are Trove's API, as test/compat has it and its tests keep it true. */
import { pathToFileURL } from "node:url"
import { type Call, topics } from "../test/compat/calls.ts"
import { absent, troveAt } from "../test/compat/compare.ts"
import { type Deviation, deviations } from "../test/compat/deviations.ts"
import { answered, exchange, exchanges } from "../test/compat/Exchange.ts"

/** What no test here can show, and why. */
const untried: ReadonlyArray<readonly [what: string, why: string]> = [
  [
    "MySQL itself",
    "Debian's packages have no server of it. The recorded exchanges are of a `mysql` datastore, and replayed over databases that are fake; MariaDB and PostgreSQL are tested as they are."
  ],
  [
    "Terraform itself",
    "Its provider's calls are made in its order, with gophercloud, on which it stands ([clients.md](clients.md))."
  ],
  [
    "`database log tail`, `database log save`",
    "The client logs in to Swift with a password before it asks for anything. There is no Swift here: `GET /instances/{instance}/log/{log}` tells the text, as `coffer log tail` does."
  ],
  ["`database backup execution delete`", "It is asked of Mistral, and not of Trove."],
  [
    "A guest and a Nova of the recorded Trove",
    "Both were stubs: users, logs and servers of the recording tell less than a whole Trove would."
  ],
  [
    "An administrator who asks for another project (008)",
    "It is replayed with a member's token. With Keystone administrators are refused as well, which `test/interop/keystone.test.ts` sees to; a token of the configuration that is an administrator's is good in every project."
  ],
  [
    "Headers",
    "Compared are status, `Content-Type` and body; `WWW-Authenticate` is seen to in `test/interop/keystone.test.ts`."
  ]
]

const calls = topics.flatMap(({ calls }) => calls)

const cell = (text: string) => text.replaceAll("|", "\\|").replaceAll("\n", " ")
const code = (text: string) => (text === absent ? absent : `\`${cell(text)}\``)
const row = (...cells: ReadonlyArray<string>) => `| ${cells.join(" | ")} |`

const standing = ({ standing }: Call): string => {
  switch (standing.is) {
    case "done":
      return `done, ${standing.code}`
    case "refused":
      return `refused, ${standing.code}: ${standing.why}`
    case "not there yet": {
      const meanwhile = { 200: "an empty list until then", 404: "404 until then" }[standing.code]
      return `not there yet (${standing.feature}): ${meanwhile ?? standing.code}`
    }
  }
}

const header = (...names: ReadonlyArray<string>) => [row(...names), `|${"---|".repeat(names.length)}`]

const callRow = (call: Call) =>
  row(`\`${call.method} ${call.path}\`${call.about === undefined ? "" : ` ${call.about}`}`, standing(call))

const topicOf = ({ calls, title }: (typeof topics)[number]) =>
  [`### ${title}`, "", ...header("call", "here"), ...calls.map(callRow)].join("\n")

const differenceRows = ({ ours, where, why }: Deviation, withWhy: boolean) => {
  // The exchanges that differ in the same way, in one row.
  const rows = new Map<string, { readonly numbers: Array<string>; readonly trove: string; readonly at: string }>()
  for (const [number, places] of Object.entries(where).toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    for (const at of places) {
      const trove = troveAt(answered(exchange(number)[1]), at)
      const known = rows.get(`${at} ${trove}`)
      if (known === undefined) rows.set(`${at} ${trove}`, { numbers: [number], trove, at })
      else known.numbers.push(number)
    }
  }
  return [...rows.values()].map(({ at, numbers, trove }) =>
    row(
      numbers.join(", "),
      at === "answer" ? "the answer" : code(at),
      code(trove),
      code(ours),
      ...(withWhy ? [why] : [])
    )
  )
}

const features = [...new Set(deviations.flatMap(({ feature }) => (feature === null ? [] : [feature])))]

const waitingFor = (feature: string) =>
  [
    `### ${feature}`,
    "",
    ...header("exchange", "where", "Trove", "here"),
    ...deviations.filter((each) => each.feature === feature).flatMap((each) => differenceRows(each, false))
  ].join("\n")

const numberOf = (name: string) => name.slice(0, 3)
const differing = new Set(deviations.flatMap(({ where }) => Object.keys(where)))
const names = [...exchanges.keys()]
const alike = names.filter((name) => !differing.has(numberOf(name)))
const count = (is: Call["standing"]["is"]) => calls.filter(({ standing }) => standing.is === is).length

export const document = (): string =>
  `# Compatibility with Trove

Made from \`test/compat/\` by \`scripts/compatibility.ts\`; tests make every call, replay every recorded exchange, and keep
this page the same.

| | |
|---|---|
| calls of Trove's v1.0 | ${calls.length}: ${count("done")} done, ${count("not there yet")} not there yet, ${count("refused")} refused |
| exchanges recorded with Trove 18 | ${names.length}: ${alike.length} answered the same, ${names.length - alike.length} otherwise, as told below |
| commands of OpenStack's client | each in [openstack.sh](../test/compat/openstack/openstack.sh), with what is expected of it |

## Calls

Below \`/v1.0/{project}\`. What Coffer has beyond them is in [api.md](api.md).

${topics.map(topicOf).join("\n\n")}

## Where we mean to differ

Told by the numbers of the exchanges in \`test/fixtures/rest\`. Ids, times and addresses are compared by their kind, how much
there is of something as a number, everything else to the word. What was not recorded stands in
[api.md](api.md#where-it-differs-from-trove).

${[...header("exchange", "where", "Trove", "here", "why"), ...deviations.filter(({ feature }) => feature === null).flatMap((each) => differenceRows(each, true))].join("\n")}

## What differs until a feature is there

${features.map(waitingFor).join("\n\n")}

## What could not be tried

${[...header("what", "why"), ...untried.map(([what, why]) => row(what, why))].join("\n")}
`

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) process.stdout.write(document())
