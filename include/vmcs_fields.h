/* SPDX-License-Identifier: GPL-2.0 */
/*
 * VMCS field encodings, control bits and exit reasons: the kernel's names for
 * them, which are the SDM's (3D appendix B and C), and those that it lacks.
 */
#ifndef VELLUM_VMCS_FIELDS_H
#define VELLUM_VMCS_FIELDS_H

#include "ept_bits.h"

#undef EPT_VIOLATION_GVA_TRANSLATED /* the kernel's header has it too, with the same value */
#include <asm/vmx.h>

/* Exit reasons of newer CPUs, which exit for them whatever the controls say (SDM 3D appendix C). */
#define EXIT_REASON_SEAMCALL_INSN 76
#define EXIT_REASON_TDCALL_INSN	  77

/* clang-format off */
/* Exit qualification of MOV to and from control registers (SDM 3C table 28-3). */
#define CR_ACCESS_REG(q)	 ((q) & 0xf)
#define CR_ACCESS_TYPE(q)	 (((q) >> 4) & 3)
#define CR_ACCESS_GPR(q)	 (((q) >> 8) & 0xf)
#define CR_ACCESS_LMSW_SOURCE(q) (((q) >> 16) & 0xffff)
enum cr_access { CR_MOV_TO, CR_MOV_FROM, CR_CLTS, CR_LMSW };

/* Exit qualification of MOV DR (SDM 3C table 28-4). */
#define DR_ACCESS_REG(q) ((q) & 7)
#define DR_ACCESS_READ	 BIT(4)
#define DR_ACCESS_GPR(q) (((q) >> 8) & 0xf)

/* Exit qualification of I/O instructions (SDM 3C table 28-5). */
#define IO_ACCESS_SIZE(q) (((q) & 7) + 1)
#define IO_ACCESS_IN	  BIT(3)
#define IO_ACCESS_STRING  BIT(4)
#define IO_ACCESS_REP	  BIT(5)
#define IO_ACCESS_PORT(q) (((q) >> 16) & 0xffff)

/* clang-format on */

/* Exit qualification of PML full (SDM 3C 28.2.1): NMI unblocking as for an EPT violation. */
#define PML_FULL_NMI_UNBLOCK BIT(12)

/* Segment access rights (SDM 3C table 25-2). */
#define SEG_AR_TYPE	     0xfu
#define SEG_AR_S	     BIT(4)
#define SEG_AR_DPL_SHIFT     5
#define SEG_AR_P	     BIT(7)
#define SEG_AR_AVL	     BIT(12)
#define SEG_AR_L	     BIT(13)
#define SEG_AR_DB	     BIT(14)
#define SEG_AR_G	     BIT(15)
#define SEG_AR_UNUSABLE	     BIT(16)
#define SEG_AR_TYPE_ACCESSED 1u
#define SEG_AR_TYPE_BUSY_TSS 0xbu

/* Interruptibility state (SDM 3C table 25-3): what STI and MOV SS hold back. */
#define INTR_STATE_SHADOW ((u64)(GUEST_INTR_STATE_STI | GUEST_INTR_STATE_MOV_SS))

/* Pending debug exceptions (SDM 3C table 25-4). */
#define PENDING_DEBUG_BS BIT(14)

#endif
