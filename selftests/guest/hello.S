/* SPDX-License-Identifier: GPL-2.0 */
/* A flat 32-bit image for "vellum run": prints a line to port 0xe9 and halts. */
#include "guest.h"

GUEST hello
	.code32
	call	1f
2:	.ascii	"hello from the guest\n"
1:	pop	%esi
	mov	$0xe9, %edx
	mov	$1b - 2b, %ecx
3:	lodsb
	out	%al, %dx
	loop	3b
	hlt
GUEST_END hello
