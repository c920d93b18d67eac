/** What a section's text may be: paragraphs, lists, tables, a few marks. Everything pasted becomes that. */
import { Extension } from "@tiptap/core";
import { Table, TableCell, TableHeader, TableRow } from "@tiptap/extension-table";
import StarterKit from "@tiptap/starter-kit";

const spans = () => ({ colspan: { default: 1 }, rowspan: { default: 1 } });

// Widths and alignments would be styles, which the page's policy and the report's markup do not know.
const PlainTable = Table.extend({
  addNodeView: () => null,
  renderHTML: () => ["table", ["tbody", 0]],
});
const PlainCell = TableCell.extend({ addAttributes: spans });
const PlainHeader = TableHeader.extend({ addAttributes: spans });

const NestList = Extension.create({
  name: "nestList",
  addKeyboardShortcuts() {
    return {
      "Mod-]": () => this.editor.commands.sinkListItem("listItem"),
      "Mod-[": () => this.editor.commands.liftListItem("listItem"),
    };
  },
});

export function extensions() {
  return [
    StarterKit.configure({
      blockquote: false,
      code: false,
      codeBlock: false,
      dropcursor: false,
      gapcursor: false,
      heading: false,
      horizontalRule: false,
      link: false,
      trailingNode: false,
      undoRedo: { newGroupDelay: 700 },
    }),
    PlainTable.configure({ resizable: false }),
    TableRow,
    PlainHeader,
    PlainCell,
    NestList,
  ];
}
