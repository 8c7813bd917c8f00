/* SPDX-License-Identifier: GPL-2.0 */
/* asm/hyperv-tlfs.h asks for it; nothing of it is used. */
