/** Text that is HTML already; everything else is escaped where it is put into a page. */
export class Markup {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

/** What may be put into a page; null and false leave nothing. */
export type Content = Markup | string | number | null | false | readonly Content[]

const ENTITIES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** @returns `text` so that it is nothing but text, in content and in quoted attributes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (sign) => ENTITIES[sign]!)
}

/** Makes HTML of a template: what is filled in is escaped unless it is markup. */
export function html(parts: TemplateStringsArray, ...filled: Content[]): Markup {
  return new Markup(parts.map((part, at) => part + (at < filled.length ? textOf(filled[at]!) : '')).join(''))
}

function textOf(content: Content): string {
  if (content === null || content === false) return ''
  if (content instanceof Markup) return content.text
  if (Array.isArray(content)) return content.map(textOf).join('')
  return escapeHtml(String(content))
}
