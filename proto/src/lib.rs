//! The gRPC API of Whyglass: messages, clients and servers as compiled from `whyglass/v1/*.proto`, and the descriptors
//! that reflection serves. Nothing is decided here; what the fields mean is said in the `.proto` files.

#![forbid(unsafe_code)]

/// Package `whyglass.v1`.
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
pub mod v1 {
    tonic::include_proto!("whyglass.v1");
}

/// The encoded `FileDescriptorSet` of the API with everything that it imports.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

#[cfg(test)]
mod tests {
    use prost::Message as _;

    /// Paths in a file descriptor that name a thing: 4 message, 5 enum, 6 service, 2 field/value/method, 8 oneof, 3 nested.
    #[test]
    fn every_message_field_enum_value_and_method_is_commented() {
        let set = prost_types::FileDescriptorSet::decode(super::DESCRIPTORS).expect("our own descriptors");
        let mut seen = 0;
        for file in set.file.iter().filter(|file| !file.name().starts_with("google/protobuf/")) {
            let info = file.source_code_info.as_ref().expect("protox keeps the comments");
            for location in info.location.iter().filter(|location| names_a_thing(&location.path)) {
                seen += 1;
                let line = location.span[0] + 1;
                assert!(
                    location.leading_comments.as_deref().is_some_and(|text| text.trim().len() > 3),
                    "{}:{line} has no comment",
                    file.name()
                );
            }
        }
        assert!(seen > 200, "only {seen} declarations were seen");
    }

    fn names_a_thing(path: &[i32]) -> bool {
        match path {
            [4..=6, _] => true,
            [4, _, rest @ ..] => inside_message(rest),
            [5 | 6, _, 2, _] => true,
            _ => false,
        }
    }

    fn inside_message(path: &[i32]) -> bool {
        match path {
            [2 | 3 | 4 | 8, _] => true,
            [3, _, rest @ ..] => inside_message(rest),
            [4, _, 2, _] => true,
            _ => false,
        }
    }
}
