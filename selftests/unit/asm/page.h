/* SPDX-License-Identifier: GPL-2.0 */
/* asm/hyperv-tlfs.h asks for it, for the size of a page, which env.h has. */
