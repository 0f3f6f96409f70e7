/**
 * The flags of a program of the tests that people start: the help that `--help` shows, and with what it refuses what it
 * cannot take. Exit code 2 says that it was asked for something else.
 */

/** `name`: before what is refused. */
export const commandLine = (name: string, help: string) => {
  const refuse = (message: string): never => {
    console.error(`${name}: ${message}\n\n${help}`)
    process.exit(2)
  }

  /** What a flag says, as a whole number from `least` to `most`. */
  const whole = (flag: string, text: string, least: number, most?: number): number => {
    const number = Number(text)
    const range = most === undefined ? `of at least ${least}` : `from ${least} to ${most}`
    const isMeant = Number.isSafeInteger(number) && number >= least && number <= (most ?? number)
    if (text.trim() === "" || !isMeant)
      return refuse(`--${flag} must be a whole number ${range}, and is ${JSON.stringify(text)}`)
    return number
  }

  /** `flags`: reads them, and throws for one that there is not. */
  const parse = <A extends { readonly help: boolean }>(flags: () => A): A => {
    try {
      const parsed = flags()
      if (!parsed.help) return parsed
    } catch (cause) {
      return refuse(cause instanceof Error ? cause.message : String(cause))
    }
    console.log(help)
    process.exit(0)
  }

  return { refuse, whole, parse }
}
