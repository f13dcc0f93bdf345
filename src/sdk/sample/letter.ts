import { utf8 } from '../../bytes.ts'
import type { Person } from './person.ts'

const LINE_POINTS = 16

/** @returns a one-page PDF 1.4 letter about the person's visit. */
export function sampleLetter(person: Person): Uint8Array {
  const text = [
    'Northgate Hospital, Department of Internal Medicine',
    '',
    `Visit of ${person.visitDate}`,
    `Patient: ${person.given} ${person.family}, born ${person.birthDate}, ${person.recordNumber}`,
    `Address: ${person.street}, ${person.town}, phone ${person.phone}`,
    '',
    'Diagnosis: type 2 diabetes, under treatment.',
    `Findings: HbA1c ${person.hba1c.toFixed(1)} %, blood pressure ${person.systolic}/${person.diastolic} mmHg.`,
    'Plan: metformin 500 mg twice a day, diet advice given, control in three months.',
    '',
    'This letter is about a person who does not exist.',
  ]
  return pdfOf(text)
}

function pdfOf(lines: string[]): Uint8Array {
  const escaped = lines.map((line) => `(${line.replace(/[\\()]/g, '\\$&')}) Tj T*`)
  const page = `BT /F1 11 Tf ${LINE_POINTS} TL 56 780 Td ${escaped.join(' ')} ET`
  const objects = [
    '<< /Type /Catalog /Pages 2 0 R >>',
    '<< /Type /Pages /Kids [3 0 R] /Count 1 >>',
    '<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>',
    `<< /Length ${page.length} >>\nstream\n${page}\nendstream`,
    '<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>',
  ]
  let body = '%PDF-1.4\n'
  const offsets = objects.map((object, at) => {
    const offset = body.length
    body += `${at + 1} 0 obj\n${object}\nendobj\n`
    return offset
  })
  const table = offsets.map((offset) => `${String(offset).padStart(10, '0')} 00000 n \n`).join('')
  const size = objects.length + 1
  const trailer = `trailer\n<< /Size ${size} /Root 1 0 R >>\nstartxref\n${body.length}\n%%EOF\n`
  return utf8(`${body}xref\n0 ${size}\n0000000000 65535 f \n${table}${trailer}`)
}
