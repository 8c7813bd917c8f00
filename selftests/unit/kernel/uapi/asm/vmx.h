/* SPDX-License-Identifier: GPL-2.0 */
/* Userspace's asm/vmx.h is this one; selftests/unit/asm/vmx.h has included it. */
