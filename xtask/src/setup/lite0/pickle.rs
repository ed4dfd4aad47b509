//! Just enough of Python's pickle machine (protocol 2) to read a state dictionary: data, never code. A global is kept
//! as its name, and a call as the name with its arguments; nothing is looked up or run.

use anyhow::{Context, Result, bail, ensure};
use std::collections::HashMap;

/// A value on the machine's stack.
#[derive(Clone, Debug)]
pub(super) enum Value {
    None,
    Int(i64),
    Text(String),
    Tuple(Vec<Value>),
    List(Vec<Value>),
    Dict(Vec<(Value, Value)>),
    Global(String),
    /// A global applied to arguments.
    Call(String, Vec<Value>),
    /// What stands for an object that is stored elsewhere in the file.
    Persistent(Box<Value>),
}

/// Reads one pickle from the front of `bytes` and moves past it.
pub(super) fn read(bytes: &mut &[u8]) -> Result<Value> {
    let mut machine = Machine { stack: Vec::new(), marks: Vec::new(), memo: HashMap::new() };
    loop {
        let [opcode] = take::<1>(bytes)?;
        if opcode == b'.' {
            return machine.pop();
        }
        machine.step(opcode, bytes)?;
    }
}

struct Machine {
    stack: Vec<Value>,
    marks: Vec<usize>,
    memo: HashMap<u32, Value>,
}

impl Machine {
    fn step(&mut self, opcode: u8, bytes: &mut &[u8]) -> Result<()> {
        match opcode {
            0x80 => drop(take::<1>(bytes)?),
            b'(' => self.marks.push(self.stack.len()),
            b'N' => self.stack.push(Value::None),
            0x88 => self.stack.push(Value::Int(1)),
            0x89 => self.stack.push(Value::Int(0)),
            b'K' => self.stack.push(Value::Int(i64::from(take::<1>(bytes)?[0]))),
            b'M' => self.stack.push(Value::Int(i64::from(u16::from_le_bytes(take(bytes)?)))),
            b'J' => self.stack.push(Value::Int(i64::from(i32::from_le_bytes(take(bytes)?)))),
            0x8a => {
                let length = usize::from(take::<1>(bytes)?[0]);
                // Only the file's magic number is longer than eight bytes; its low ones are enough.
                let digits = slice(bytes, length)?;
                let value = digits.iter().take(8).rev().fold(0i64, |value, byte| value << 8 | i64::from(*byte));
                self.stack.push(Value::Int(value));
            }
            b'X' => {
                let length = u32::from_le_bytes(take(bytes)?) as usize;
                self.stack.push(Value::Text(std::str::from_utf8(slice(bytes, length)?)?.to_owned()));
            }
            b'c' => {
                let (module, name) = (line(bytes)?, line(bytes)?);
                self.stack.push(Value::Global(format!("{module}.{name}")));
            }
            b')' => self.stack.push(Value::Tuple(Vec::new())),
            b']' => self.stack.push(Value::List(Vec::new())),
            b'}' => self.stack.push(Value::Dict(Vec::new())),
            b't' => {
                let items = self.since_mark()?;
                self.stack.push(Value::Tuple(items));
            }
            0x85 | 0x86 => {
                let first = self.stack.len().checked_sub(usize::from(opcode - 0x84)).context("the stack is empty")?;
                let items = self.stack.split_off(first);
                self.stack.push(Value::Tuple(items));
            }
            b'R' => {
                let arguments = self.pop()?;
                let callable = self.pop()?;
                let (Value::Global(name), Value::Tuple(arguments)) = (callable, arguments) else {
                    bail!("a call of something that is no global");
                };
                let made = if name == "collections.OrderedDict" && arguments.is_empty() {
                    Value::Dict(Vec::new())
                } else {
                    Value::Call(name, arguments)
                };
                self.stack.push(made);
            }
            // An object's attributes: nothing that we read has any that matter.
            b'b' => drop(self.pop()?),
            b'Q' => {
                let id = self.pop()?;
                self.stack.push(Value::Persistent(Box::new(id)));
            }
            b's' | b'u' => {
                let items = if opcode == b'u' {
                    self.since_mark()?
                } else {
                    let first = self.stack.len().checked_sub(2).context("the stack is empty")?;
                    self.stack.split_off(first)
                };
                let Some(Value::Dict(entries)) = self.stack.last_mut() else {
                    bail!("items for something that is no dict")
                };
                let mut items = items.into_iter();
                while let (Some(key), Some(value)) = (items.next(), items.next()) {
                    entries.push((key, value));
                }
            }
            b'a' | b'e' => {
                let items = if opcode == b'e' { self.since_mark()? } else { vec![self.pop()?] };
                let Some(Value::List(list)) = self.stack.last_mut() else {
                    bail!("items for something that is no list")
                };
                list.extend(items);
            }
            b'q' => self.remember(u32::from(take::<1>(bytes)?[0]))?,
            b'r' => self.remember(u32::from_le_bytes(take(bytes)?))?,
            b'h' => self.recall(u32::from(take::<1>(bytes)?[0]))?,
            b'j' => self.recall(u32::from_le_bytes(take(bytes)?))?,
            other => bail!("pickle opcode {other:#04x} is not one that a state dictionary needs"),
        }
        Ok(())
    }

    fn pop(&mut self) -> Result<Value> {
        self.stack.pop().context("the stack is empty")
    }

    fn since_mark(&mut self) -> Result<Vec<Value>> {
        let mark = self.marks.pop().context("there is no mark")?;
        ensure!(mark <= self.stack.len(), "a mark lies above the stack");
        Ok(self.stack.split_off(mark))
    }

    fn remember(&mut self, key: u32) -> Result<()> {
        let top = self.stack.last().context("the stack is empty")?;
        // Containers are remembered before they are filled and never recalled here: no need to copy them whole.
        if !matches!(top, Value::Dict(_) | Value::List(_)) {
            self.memo.insert(key, top.clone());
        }
        Ok(())
    }

    fn recall(&mut self, key: u32) -> Result<()> {
        self.stack.push(self.memo.get(&key).with_context(|| format!("nothing is remembered as {key}"))?.clone());
        Ok(())
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N]> {
    let (front, rest) = bytes.split_first_chunk::<N>().context("the pickle is cut short")?;
    *bytes = rest;
    Ok(*front)
}

fn slice<'a>(bytes: &mut &'a [u8], length: usize) -> Result<&'a [u8]> {
    let (front, rest) = bytes.split_at_checked(length).context("the pickle is cut short")?;
    *bytes = rest;
    Ok(front)
}

fn line<'a>(bytes: &mut &'a [u8]) -> Result<&'a str> {
    let length = bytes.iter().position(|byte| *byte == b'\n').context("the pickle is cut short")?;
    let text = slice(bytes, length)?;
    *bytes = &bytes[1..];
    Ok(std::str::from_utf8(text)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dict_with_a_tuple_is_read_and_the_rest_is_left() {
        // {'a': (1, 300)} by protocol 2, followed by another byte.
        let mut bytes: &[u8] = b"\x80\x02}q\x00X\x01\x00\x00\x00aq\x01K\x01M\x2c\x01\x86q\x02s.Z";
        let Value::Dict(entries) = read(&mut bytes).unwrap() else { panic!("no dict") };
        assert!(matches!(&entries[0].0, Value::Text(key) if key == "a"));
        assert!(matches!(&entries[0].1, Value::Tuple(items) if matches!(items[..], [Value::Int(1), Value::Int(300)])));
        assert_eq!(bytes, b"Z");
    }

    #[test]
    fn a_cut_pickle_is_an_error() {
        assert!(read(&mut &b"\x80\x02X\xff\x00\x00\x00a"[..]).is_err());
    }

    #[test]
    fn an_opcode_that_would_build_objects_is_refused() {
        assert!(read(&mut &b"\x80\x02o."[..]).unwrap_err().to_string().contains("opcode"));
    }
}
