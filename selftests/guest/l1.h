/* SPDX-License-Identifier: GPL-2.0 */
/* What the guest hypervisor l1.S and its host agree on. */
#ifndef SELFTESTS_GUEST_L1_H
#define SELFTESTS_GUEST_L1_H

/*
 * At SCRIPT_GPA: commands of four 64-bit words: what, two arguments, result. The
 * second argument of those that read is where the answer is put. An instruction of
 * VMX leaves RFLAGS as its result, an entry that ended in an exit L1_EXITED.
 */
#define L1_END		0	/* OUT to PORT_DONE, then the script again from its beginning */
#define L1_VMWRITE	1	/* field, value */
#define L1_VMREAD	2	/* field, - */
#define L1_ENTER	3	/* 0: VMLAUNCH, 1: VMRESUME */
#define L1_VMCLEAR	4	/* address */
#define L1_VMPTRLD	5	/* address */
#define L1_VMXON	6	/* address */
#define L1_VMXOFF	7
#define L1_HOST		8	/* HOST_RIP and HOST_RSP */
#define L1_STORE	9	/* address, value: 64 bits */
#define L1_LOAD		10	/* address, - */
#define L1_INVEPT	11	/* type, address of the descriptor */
#define L1_VMPTRST	12	/* -, - */
#define L1_VMREAD_M	13	/* as L1_VMREAD and L1_VMWRITE, from and to memory */
#define L1_VMWRITE_M	14
#define L1_WORDS	4

#define L1_EXITED	1	/* bit 1 of RFLAGS is always set: it is none of these */

/* In the mailbox: L2's registers, given and taken; where the script is, while L2 runs. */
#define L1_RAX		0x40
#define L1_RBX		0x48
#define L1_RCX		0x50
#define L1_RDX		0x58
#define L1_PLACE	0x60

/* Encodings that l1.S itself writes. */
#define L1_FIELD_HOST_RSP	0x6c14
#define L1_FIELD_HOST_RIP	0x6c16

/* Guest memory in the slot for code, above the script. */
#define L1_L2_CODE_GPA	0xc0000		/* 256 bytes for each L2 */
#define L1_L2_TABLE_GPA	0xc8000		/* three pages of page tables for each L2 */
#define L1_VMXON_GPA	0xe0000
#define L1_VMCS_GPA	0xe1000		/* a page for each L2 */
#define L1_EPT_GPA	0xf0000		/* PML4, PDPT, PD, and page tables for DATA_GPA */
#define L1_EPT_PAGES	1024		/* that those map */
#define L1_EPT_PTE(page) (L1_EPT_GPA + 0x3000 + 8 * (page))
#define L1_INVEPT_GPA	0xfe000		/* the descriptor of INVEPT */
#define L1_BITMAP_GPA	0xff000		/* for MSRs: none exits */
#define L1_L2S		4

#endif
