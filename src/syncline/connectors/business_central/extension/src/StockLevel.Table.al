/// One row for each place where an item has or had stock. It holds no quantity: both are sums, worked out when they are
/// read. What it does hold is the platform's stamp and row version, which sums never have; see codeunit 50100.
table 50100 "Syncline Stock Level"
{
    Caption = 'Syncline Stock Level';
    DataClassification = CustomerContent;
    Access = Internal;
    // Whoever posts or types in an order writes here by codeunit 50100, without a permission set of ours.
    InherentEntitlements = rimX;
    InherentPermissions = rimX;

    fields
    {
        field(1; "Entry No."; Integer)
        {
            Caption = 'Entry No.';
            AutoIncrement = true;
        }
        field(2; "Item No."; Code[20])
        {
            Caption = 'Item No.';
            TableRelation = Item;
        }
        field(3; "Variant Code"; Code[10])
        {
            Caption = 'Variant Code';
            TableRelation = "Item Variant".Code where("Item No." = field("Item No."));
        }
        field(4; "Location Code"; Code[10])
        {
            Caption = 'Location Code';
            TableRelation = Location;
        }
        field(5; "Item Id"; Guid)
        {
            Caption = 'Item Id';
            TableRelation = Item.SystemId;
        }
        /// Counts the changes. A row that is written with nothing changed might not be written at all.
        field(6; Touches; BigInteger)
        {
            Caption = 'Touches';
        }
        field(10; Inventory; Decimal)
        {
            Caption = 'Inventory';
            FieldClass = FlowField;
            CalcFormula = sum("Item Ledger Entry".Quantity where("Item No." = field("Item No."),
                                                                 "Variant Code" = field("Variant Code"),
                                                                 "Location Code" = field("Location Code")));
            DecimalPlaces = 0 : 5;
            Editable = false;
        }
        /// What orders still have to take. A line below zero brings goods back: until it is posted they are not there.
        field(11; "Qty. on Sales Order"; Decimal)
        {
            Caption = 'Qty. on Sales Order';
            FieldClass = FlowField;
            CalcFormula = sum("Sales Line"."Outstanding Qty. (Base)" where("Document Type" = const(Order),
                                                                           Type = const(Item),
                                                                           "No." = field("Item No."),
                                                                           "Variant Code" = field("Variant Code"),
                                                                           "Location Code" = field("Location Code"),
                                                                           "Outstanding Qty. (Base)" = filter(> 0)));
            DecimalPlaces = 0 : 5;
            Editable = false;
        }
    }

    keys
    {
        key(PK; "Entry No.")
        {
            Clustered = true;
        }
        key(Place; "Item No.", "Variant Code", "Location Code")
        {
            Unique = true;
        }
    }
}
