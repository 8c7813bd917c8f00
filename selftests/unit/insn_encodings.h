/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Instructions for insn_test.c, as text and as the bytes that the assembler
 * makes of it between start_ID and end_ID.
 */
#ifndef VELLUM_UNIT_INSN_ENCODINGS_H
#define VELLUM_UNIT_INSN_ENCODINGS_H

#include "env.h"

/* Each form once: X(id, width, what it means, text). */
#define GOOD(X)                                                                         \
	X(1, 64, STORE(RAX, 4), "mov %eax, (%rbx)")                                     \
	X(2, 64, STORE(R9, 8), "mov %r9, 0x12345678(%r13,%r14,8)")                      \
	X(3, 64, STORE(RCX, 2), "mov %cx, 8(%rsp)")                                     \
	X(4, 64, STORE(RSI, 1), "mov %sil, (%rdi)")                                     \
	X(5, 64, STORE_HIGH(RAX), "mov %ah, (%rdi)")                                    \
	X(6, 64, STORE_HIGH(RBX), "mov %bh, 1(%rbp)")                                   \
	X(7, 64, LOAD(RDX, 4, 4), "mov 0x1000(%rip), %edx")                             \
	X(8, 64, LOAD(R15, 8, 8), "mov (%r12), %r15")                                   \
	X(9, 64, LOAD(RBP, 2, 2), "mov (%rax), %bp")                                    \
	X(10, 64, LOAD(RBX, 1, 1), "mov (%rax), %bl")                                   \
	X(11, 64, LOAD_HIGH(RCX), "mov (%rax), %ch")                                    \
	X(12, 64, LOAD(RAX, 8, 8), "movabs 0x1122334455667788, %rax")                   \
	X(13, 64, STORE(RAX, 1), "movabs %al, 0x1122334455667788")                      \
	X(14, 64, STORE(RAX, 4), "addr32 mov %eax, 0x11223344")                         \
	X(15, 64, STORE_IMM(0x7f, 1), "movb $0x7f, (%rax)")                             \
	X(16, 64, STORE_IMM(0x1234, 2), "movw $0x1234, 4(%rax)")                        \
	X(17, 64, STORE_IMM(0x12345678, 4), "movl $0x12345678, 0x100(%rip)")            \
	X(18, 64, STORE_IMM(0xfffffffffffffffeull, 8), "movq $-2, (%rax)")              \
	X(19, 64, LOAD(RAX, 1, 4), "movzbl (%rdi), %eax")                               \
	X(20, 64, LOAD(R8, 1, 8), "movzbq (%rdi), %r8")                                 \
	X(21, 64, LOAD(RCX, 1, 2), "movzbw (%rdi), %cx")                                \
	X(22, 64, LOAD(RAX, 2, 4), "movzwl (%rdi), %eax")                               \
	X(23, 64, LOAD_SIGN(RAX, 1, 4), "movsbl (%rdi), %eax")                          \
	X(24, 64, LOAD_SIGN(R10, 2, 8), "movswq -1(%rdi), %r10")                        \
	X(25, 64, LOAD_SIGN(RDX, 4, 8), "movslq (%rdi), %rdx")                          \
	X(26, 64, STORE(RAX, 4), "fs mov %eax, (%rbx)")                                 \
	X(27, 64, STORE(RAX, 4), "addr32 mov %eax, 4(%ebx,%ecx,2)")                     \
	X(28, 64, LOAD(RAX, 4, 4), "mov 0x12345678, %eax")                              \
	X(29, 64, LOAD(RSP, 8, 8), "mov 0x80(%rsp), %rsp")                              \
	X(30, 64, STORE(RAX, 4), "mov %eax, 0x7fffffff(,%rbx,4)")                       \
	X(31, 64, STORE(R12, 1), "mov %r12b, (%rbp,%rax)")                              \
	X(32, 32, STORE(RAX, 4), "mov %eax, (%ebx)")                                    \
	X(33, 32, STORE(RAX, 4), "mov %eax, 0xfee00300")                                \
	X(34, 32, LOAD(RAX, 1, 1), "mov 0xfee00300, %al")                               \
	X(35, 32, LOAD(RDX, 2, 2), "mov 4(%esi,%edi,4), %dx")                           \
	X(36, 32, LOAD_HIGH(RDX), "mov (%esi), %dh")                                    \
	X(37, 32, STORE_IMM(0xdeadbeef, 4), "movl $0xdeadbeef, (%bx,%si)")              \
	X(38, 32, STORE_IMM(1, 2), "movw $1, 0x1234(%bp)")                              \
	X(39, 32, LOAD(RCX, 4, 4), "mov 0x10(%ebp), %ecx")                              \
	X(40, 32, LOAD(RCX, 2, 4), "gs movzwl 0x10(%ebp), %ecx")                        \
	X(41, 16, STORE(RAX, 2), "mov %ax, (%bx,%di)")                                  \
	X(42, 16, STORE(RAX, 4), "mov %eax, 0x7f(%bx)")                                 \
	X(43, 16, STORE(RDX, 1), "mov %dl, 0x1234")                                     \
	X(44, 16, LOAD(RAX, 2, 2), "mov 0x1234, %ax")                                   \
	X(45, 16, LOAD(RAX, 4, 4), "addr32 mov (%esp), %eax")                           \
	X(46, 16, STORE_IMM(0xabcd, 2), "es movw $0xabcd, 0x100(%si)")                  \
	X(47, 16, LOAD(RBX, 1, 2), "movzbw (%di), %bx")                                 \
	X(48, 16, STORE_IMM(0x12345678, 4), "addr32 movl $0x12345678, 0x1000(,%eax,8)") \
	X(49, 64, LOAD(RAX, 4, 4), ".byte 0xf2, 0x3e, 0x8b, 0x00")                      \
	X(50, 64, STORE(RAX, 4), ".byte 0x48, 0x2e, 0x89, 0x03") /* REX not last: void */ \
	X(51, 64, LOAD_SIGN(RAX, 4, 4), ".byte 0x63, 0x00") /* MOVSXD without REX.W */  \
	X(52, 64, STORE(RDX, 4), "movnti %edx, (%rbx)")                                 \
	X(53, 64, STORE(R11, 8), "movnti %r11, 8(%rbx)")                                \
	X(54, 64, ALU_MEM(ADD, RAX, 4), "add %eax, (%rbx)")                             \
	X(55, 64, ALU_MEM(OR, R9, 8), "or %r9, (%rbx)")                                 \
	X(56, 64, ALU_MEM(ADC, RCX, 2), "adc %cx, (%rbx)")                              \
	X(57, 64, ALU_MEM(SBB, RDX, 1), "sbb %dl, (%rbx)")                              \
	X(58, 64, ALU_REG(AND, RAX, 4), "and (%rbx), %eax")                             \
	X(59, 64, ALU_REG(SUB, RSI, 1), "sub (%rbx), %sil")                             \
	X(60, 32, ALU_REG(XOR, RBX, 2), "xor (%edi), %bx")                              \
	X(61, 64, ALU_READ(CMP, RAX, 8), "cmp %rax, (%rbx)")                            \
	X(62, 64, ALU_REG(CMP, RAX, 8), "cmp (%rbx), %rax")                             \
	X(63, 64, ALU_READ(TEST, RBP, 4), "test %ebp, (%rbx)")                          \
	X(64, 64, ALU_IMM(OR, 0x80, 1), "orb $0x80, (%rbx)")                            \
	X(65, 64, ALU_IMM(AND, 0xff00, 2), "andw $0xff00, 4(%rbx)")                     \
	X(66, 64, ALU_IMM(XOR, 0xfffffff0, 4), "xorl $-16, (%rbx)") /* 83 */            \
	X(67, 64, ALU_IMM(AND, 0xffffffff80000000, 8), "andq $-0x80000000, (%rbx)")     \
	X(68, 64, ALU_IMM_READ(CMP, 7, 4), "cmpl $7, 0x100(%rip)")                      \
	X(69, 64, ALU_IMM_READ(TEST, 0x12345678, 8), "testq $0x12345678, (%rax)")       \
	X(70, 16, ALU_IMM_READ(TEST, 1, 1), "testb $1, 0x1234")                         \
	X(71, 64, ALU_IMM_READ(TEST, 1, 1), ".byte 0xf6, 0x08, 1") /* TEST's alias */   \
	X(72, 64, LOCKED(ALU_MEM(OR, RAX, 4)), "lock or %eax, (%rbx)")                  \
	X(73, 64, XCHG(RDX, 4), "xchg %edx, (%rbx)")                                    \
	X(74, 64, LOCKED(XCHG(R10, 8)), "lock xchg %r10, (%rbx)")                       \
	X(75, 64, STRING(MOVS, 1), "movsb")                                             \
	X(76, 64, REP(STRING(MOVS, 8)), "rep movsq")                                    \
	X(77, 64, REP(STRING(STOS, 4)), "rep stosl")                                    \
	X(78, 64, STRING(STOS, 2), "stosw")                                             \
	X(79, 32, REP(STRING(LODS, 4)), "rep lodsl")                                    \
	X(80, 64, REP(STRING(MOVS, 1)), ".byte 0xf2, 0xa4") /* F2 repeats too */        \
	X(81, 32, ALU_MEM(SUB, RDI, 4), "sub %edi, %fs:4(%ebp,%eax,4)")

/* None of the forms: X(id, width, text). */
#define BAD(X)                                                                         \
	X(100, 64, "mov %eax, %ebx")                                                   \
	X(101, 64, "incl (%rbx)")                                                      \
	X(102, 64, "scasb")                                                            \
	X(103, 64, "add %eax, %ebx")                                                   \
	X(104, 64, ".byte 0xc7, 0x08, 1, 2, 3, 4") /* C7 /1 */                         \
	X(105, 64, "mov %ds, (%rax)")                                                  \
	X(106, 64, "mov %cr0, %rax")                                                   \
	X(107, 32, "arpl %ax, (%ebx)")                                                 \
	X(108, 32, ".byte 0x48, 0x89, 0x03") /* DEC, not REX */                        \
	X(109, 64, "popcnt (%rax), %eax")                                              \
	X(110, 64, "movzbl %al, %eax")                                                 \
	X(111, 64, "movups (%rax), %xmm0")                                             \
	X(112, 64, ".byte 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66," \
		   "0x66, 0x66, 0x66, 0x66, 0x66, 0x89, 0x03") /* 17 bytes */          \
	X(113, 64, ".byte 0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0xc7, 0x84, 0x03,"             \
		   "1, 2, 3, 4, 5, 6, 7, 8") /* 16 bytes */                            \
	X(114, 64, "xchg %eax, %edx")                                                  \
	X(115, 64, "testl $1, %edx")                                                   \
	X(116, 64, "notl (%rax)")                                                      \
	X(117, 64, ".byte 0x66, 0x0f, 0xc3, 0x02") /* no MOVNTI */                     \
	X(119, 64, "cmpsb")

/* LOCK before what does not both read and write memory. */
#define UNDEFINED(X)                                \
	X(200, 64, ".byte 0xf0, 0x89, 0x03")        \
	X(201, 64, ".byte 0xf0, 0x8b, 0x03")        \
	X(202, 64, ".byte 0xf0, 0x3b, 0x03")        \
	X(203, 64, ".byte 0xf0, 0x39, 0x03")        \
	X(204, 64, ".byte 0xf0, 0x0b, 0x03")        \
	X(205, 64, ".byte 0xf0, 0x85, 0x03")        \
	X(206, 64, ".byte 0xf0, 0x83, 0x3b, 0x01")  \
	X(207, 64, ".byte 0xf0, 0xf6, 0x03, 0x01")  \
	X(208, 64, ".byte 0xf0, 0xa4")              \
	X(209, 64, ".byte 0xf0, 0xf3, 0xab")        \
	X(210, 32, ".byte 0xf0, 0xa1, 1, 2, 3, 4")

#define ASM_TEXT(id, width, text)                                             \
	"start_" #id ": .code" #width "\n" text "\nend_" #id ": .code64\n"
#define ASM_GOOD(id, width, what, text) ASM_TEXT(id, width, text)
#define NAMES_GOOD(id, width, what, text) start_##id[], end_##id[],
#define NAMES_BAD(id, width, text) start_##id[], end_##id[],
#define ENCODING_LABELS GOOD(NAMES_GOOD) BAD(NAMES_BAD) UNDEFINED(NAMES_BAD)

__asm__(".pushsection .rodata\n"
	GOOD(ASM_GOOD) BAD(ASM_TEXT) UNDEFINED(ASM_TEXT)
	"encodings_end: .popsection");
extern const u8 ENCODING_LABELS encodings_end[];

#endif
