/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel's own header, from linux-headers: VMCS encodings and control bits are too
 * many to be written down twice.  Userspace's of this name has the exit reasons, and
 * the same guard.
 */
#ifndef VELLUM_UNIT_ASM_VMX_H
#define VELLUM_UNIT_ASM_VMX_H

#include_next <asm/vmx.h>
#undef VMX_H
#include <arch/x86/include/asm/vmx.h>

#endif
