/** Text that oslo.config reads, as Trove's services have it for their settings. */
export const settings = (sections: Readonly<Record<string, Readonly<Record<string, string>>>>) =>
  Object.entries(sections)
    .flatMap(([name, options]) => [
      `[${name}]`,
      ...Object.entries(options).map(([key, value]) => `${key} = ${value}`),
      ""
    ])
    .join("\n")
